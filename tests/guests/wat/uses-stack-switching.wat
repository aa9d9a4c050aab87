;; Attacks the compiler with a proposal that is off: continuations. Case G34.
;; beside: echo-bare
(module
  (type $run (func))
  (type $stack (cont $run))
  (elem declare func $nothing)
  (func $nothing)
  (func (export "switch")
    (resume $stack (cont.new $stack (ref.func $nothing))))
)
