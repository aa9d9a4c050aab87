;; Attacks the compiler with a proposal that is off: a shared memory and atomic instructions. Case G34.
;; beside: echo-bare
(module
  (memory 1 1 shared)
  (func (export "count") (result i32)
    (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
)
