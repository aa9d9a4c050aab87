;; Attacks whoever reads the reply: its text lies beyond the end of the memory. Case G16.
;; world: query-plugin
(module
  ;; include: base
  ;; include: describe
  (func (export "cofferdam:mcp/query@0.1.0#handle") (param $args i32) (result i32)
    (call $reply_text (i32.const 0xfffffff0) (i32.const 0x100)))
)
