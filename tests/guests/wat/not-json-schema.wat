;; Attacks the catalog: its input schema is text, but no JSON. Case M14.
;; world: query-plugin
(module
  ;; include: base
  ;; include: handle
  (data (i32.const 0x800) "type: object")
  (func (export "cofferdam:mcp/catalog@0.1.0#describe") (result i32)
    (call $catalog_with_schema (i32.const 12)))
)
