;; A good `describe`. Comes after `base`.
(func (export "cofferdam:mcp/catalog@0.1.0#describe") (result i32)
  (call $good_catalog))
