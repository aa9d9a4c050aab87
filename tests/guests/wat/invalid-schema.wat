;; Attacks the schema compiler: JSON, but no JSON Schema, since there is no such type. Case M14.
;; world: query-plugin
(module
  ;; include: base
  ;; include: handle
  (data (i32.const 0x800) "{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"strung\"}}}")
  (func (export "cofferdam:mcp/catalog@0.1.0#describe") (result i32)
    (call $catalog_with_schema (i32.const 57)))
)
