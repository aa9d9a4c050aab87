;; A good `query.handle`, which answers `echo`. Comes after `base`.
(func (export "cofferdam:mcp/query@0.1.0#handle") (param $args i32) (result i32)
  (call $reply_text (i32.const 0x200) (i32.const 4)))
