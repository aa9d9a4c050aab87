;; Attacks the compiler with a proposal that is off: a memory with 64-bit addresses. Case G34.
;; beside: echo-bare
(module (memory i64 1))
