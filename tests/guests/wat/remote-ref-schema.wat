;; Attacks the schema compiler: a schema that refers to another one by HTTP, which nobody may fetch. Case M15.
;; world: query-plugin
(module
  ;; include: base
  ;; include: handle
  (data (i32.const 0x800) "{\"type\":\"object\",\"properties\":{\"text\":{\"$ref\":\"http://127.0.0.1:9/schema.json\"}}}")
  (func (export "cofferdam:mcp/catalog@0.1.0#describe") (result i32)
    (call $catalog_with_schema (i32.const 81)))
)
