;; Attacks the catalog: two queries of one name, with different schemas. Case M04.
;; world: query-plugin
(module
  ;; include: base
  ;; include: handle
  (data (i32.const 0x800) "{\"type\":\"object\"}")
  (func (export "cofferdam:mcp/catalog@0.1.0#describe") (result i32)
    (call $operation (i32.const 0) (i32.const 0x208) (i32.const 57))
    (call $operation (i32.const 1) (i32.const 0x800) (i32.const 17))
    (call $catalog (i32.const 2)))
)
