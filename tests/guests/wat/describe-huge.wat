;; Attacks the memory of the host and of the model: its query has a description of 1 MiB. Case M20.
;; world: query-plugin
(module
  ;; include: base
  ;; include: handle
  (func (export "cofferdam:mcp/catalog@0.1.0#describe") (result i32)
    (local $text i32)
    (local.set $text (call $alloc (i32.const 1) (i32.const 0x100000)))
    (memory.fill (local.get $text) (i32.const 0x61) (i32.const 0x100000))
    (drop (call $good_catalog))
    ;; Some description: it is at 20 in the operation.
    (i32.store8 (i32.const 0x74) (i32.const 1))
    (i32.store (i32.const 0x78) (local.get $text))
    (i32.store (i32.const 0x7c) (i32.const 0x100000))
    (i32.const 0x10))
)
