;; Attacks the catalog: the arguments of its query are a string, not an object. Case M14.
;; world: query-plugin
(module
  ;; include: base
  ;; include: handle
  (data (i32.const 0x800) "{\"type\":\"string\"}")
  (func (export "cofferdam:mcp/catalog@0.1.0#describe") (result i32)
    (call $catalog_with_schema (i32.const 17)))
)
