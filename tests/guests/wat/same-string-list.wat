;; Attacks the memory of the host: the reply has 400,000 content blocks, all of which point at the same text of 1 MiB, 400 GB in all.
;; (A million blocks, 144 bytes each, would not fit into the guest's own memory: see `same-string-sizes`.) Cases G12, G13.
;; world: query-plugin
(module
  ;; include: base
  ;; include: describe
  (func (export "cofferdam:mcp/query@0.1.0#handle") (param $args i32) (result i32)
    (local $text i32) (local $blocks i32) (local $at i32) (local $end i32)
    (local.set $text (call $alloc (i32.const 1) (i32.const 0x100000)))
    (memory.fill (local.get $text) (i32.const 0x61) (i32.const 0x100000))
    (local.set $blocks (call $alloc (i32.const 8) (i32.const 57600000)))
    (local.set $at (local.get $blocks))
    (local.set $end (i32.add (local.get $at) (i32.const 57600000)))
    (loop $next
      (i32.store offset=8 (local.get $at) (local.get $text))
      (i32.store offset=12 (local.get $at) (i32.const 0x100000))
      (local.set $at (i32.add (local.get $at) (i32.const 144)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
    (call $reply (local.get $blocks) (i32.const 400000)))
)
