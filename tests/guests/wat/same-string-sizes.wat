;; Attacks the memory of the host: the reply is one resource link with one icon, whose `sizes` are 1,000,000 strings that all point at
;; the same text of 1 MiB, 1 TB in all. Cases G12, G13.
;; world: query-plugin
(module
  ;; include: base
  ;; include: describe
  (func (export "cofferdam:mcp/query@0.1.0#handle") (param $args i32) (result i32)
    (local $text i32) (local $sizes i32) (local $at i32) (local $end i32)
    (local.set $text (call $alloc (i32.const 1) (i32.const 0x100000)))
    (memory.fill (local.get $text) (i32.const 0x61) (i32.const 0x100000))
    (local.set $sizes (call $alloc (i32.const 4) (i32.const 8000000)))
    (local.set $at (local.get $sizes))
    (local.set $end (i32.add (local.get $at) (i32.const 8000000)))
    (loop $next
      (i32.store (local.get $at) (local.get $text))
      (i32.store offset=4 (local.get $at) (i32.const 0x100000))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
    ;; The icon, at 0x800: `src` and `sizes`.
    (i32.store (i32.const 0x800) (i32.const 0x200))
    (i32.store (i32.const 0x804) (i32.const 4))
    (i32.store (i32.const 0x814) (local.get $sizes))
    (i32.store (i32.const 0x818) (i32.const 1000000))
    ;; The block: case 3, a resource; `uri`, `name` and `icons`.
    (i32.store (i32.const 0x170) (i32.const 3))
    (i32.store (i32.const 0x178) (i32.const 0x200))
    (i32.store (i32.const 0x17c) (i32.const 4))
    (i32.store (i32.const 0x180) (i32.const 0x200))
    (i32.store (i32.const 0x184) (i32.const 4))
    (i32.store (i32.const 0x1e8) (i32.const 0x800))
    (i32.store (i32.const 0x1ec) (i32.const 1))
    (call $reply (i32.const 0x170) (i32.const 1)))
)
