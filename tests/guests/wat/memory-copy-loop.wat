;; Attacks the epochs: copies 60 MiB of memory onto itself again and again, with one instruction each time, in which nothing can
;; interrupt it. Takes less when it does not get as much. Case G11.
;; world: query-plugin
(module
  ;; include: base
  ;; include: describe
  (func (export "cofferdam:mcp/query@0.1.0#handle") (param $args i32) (result i32)
    (local $len i32)
    (block $enough
      (loop $more
        (br_if $enough (i32.ge_u (memory.size) (i32.const 960)))
        (br_if $enough (i32.eq (i32.const -1) (memory.grow (i32.const 16))))
        (br $more)))
    (local.set $len (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 64)))
    (loop $again
      (memory.copy (i32.const 64) (i32.const 0) (local.get $len))
      (br $again))
    unreachable)
)
