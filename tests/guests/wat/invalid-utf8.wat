;; Attacks whoever reads the reply: its text is not UTF-8. Case G14.
;; world: query-plugin
(module
  ;; include: base
  ;; include: describe
  (data (i32.const 0x800) "good \ff\fe\c0\80\ed\a0\80 bad")
  (func (export "cofferdam:mcp/query@0.1.0#handle") (param $args i32) (result i32)
    (call $reply_text (i32.const 0x800) (i32.const 16)))
)
