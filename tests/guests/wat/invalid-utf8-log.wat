;; Attacks whoever reads the log: the message that it hands to `host.log` is not UTF-8. Answers `echo` if it gets that far. Case G14.
;; world: query-plugin
(module
  (import "cofferdam:mcp/host@0.1.0" "log" (func $log (param $level i32) (param $message i32) (param $message_len i32)))
  ;; include: base
  ;; include: describe
  (data (i32.const 0x800) "good \ff\fe\c0\80\ed\a0\80 bad")
  (func (export "cofferdam:mcp/query@0.1.0#handle") (param $args i32) (result i32)
    (call $log (i32.const 2) (i32.const 0x800) (i32.const 16))
    (call $reply_text (i32.const 0x200) (i32.const 4)))
)
