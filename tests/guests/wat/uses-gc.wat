;; Attacks the compiler with a proposal that is off: garbage-collected structures. Case G34.
;; beside: echo-bare
(module
  (type $node (struct (field (mut i32)) (field (ref null $node))))
  (func (export "fill") (result (ref null $node))
    (local $list (ref null $node))
    (loop $again
      (local.set $list (struct.new $node (i32.const 1) (local.get $list)))
      (br $again))
    (local.get $list))
)
