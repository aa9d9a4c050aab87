;; Attacks the host with results of plain functions: lists that are longer than they look, values that there are not, calls without end.
;; wit: world fixture {
;; wit:   flags all { a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a1, b1, c1, d1, e1, f1 }
;; wit:   enum one { a }
;; wit:   export bytes: func() -> list<u8>;
;; wit:   export same-string: func() -> list<string>;
;; wit:   export same-list: func() -> list<list<one>>;
;; wit:   export flags-list: func() -> list<all>;
;; wit:   export escapes: func() -> string;
;; wit:   export beyond-memory: func() -> list<u64>;
;; wit:   export no-such-case: func() -> result<one, string>;
;; wit:   export no-such-char: func() -> char;
;; wit:   export no-utf8: func() -> string;
;; wit:   export loops: func();
;; wit:   export traps-after: func() -> string;
;; wit:   export ok: func(value: list<u8>) -> u32;
;; wit: }
(module
  ;; include: base
  (func $pair (param $at i32) (param $count i32) (result i32)
    (i32.store (i32.const 0x10) (local.get $at))
    (i32.store (i32.const 0x14) (local.get $count))
    (i32.const 0x10))
  ;; An array of $count pairs, all of which are $at and $length.
  (func $pairs (param $count i32) (param $at i32) (param $length i32) (result i32)
    (local $first i32) (local $next i32) (local $end i32)
    (local.set $first (call $alloc (i32.const 8) (i32.mul (local.get $count) (i32.const 8))))
    (local.set $next (local.get $first))
    (local.set $end (i32.add (local.get $first) (i32.mul (local.get $count) (i32.const 8))))
    (loop $more
      (i32.store (local.get $next) (local.get $at))
      (i32.store offset=4 (local.get $next) (local.get $length))
      (local.set $next (i32.add (local.get $next) (i32.const 8)))
      (br_if $more (i32.lt_u (local.get $next) (local.get $end))))
    (call $pair (local.get $first) (local.get $count)))

  (func (export "bytes") (result i32) (call $pair (call $alloc (i32.const 1) (i32.const 33554432)) (i32.const 33554432)))
  (func (export "same-string") (result i32)
    (local $text i32)
    (local.set $text (call $alloc (i32.const 1) (i32.const 0x100000)))
    (memory.fill (local.get $text) (i32.const 0x61) (i32.const 0x100000))
    (call $pairs (i32.const 1000000) (local.get $text) (i32.const 0x100000)))
  (func (export "same-list") (result i32)
    (call $pairs (i32.const 1000000) (call $alloc (i32.const 1) (i32.const 0x100000)) (i32.const 0x100000)))
  (func (export "flags-list") (result i32)
    (local $flags i32)
    (local.set $flags (call $alloc (i32.const 4) (i32.const 400000)))
    (memory.fill (local.get $flags) (i32.const 0xff) (i32.const 400000))
    (call $pair (local.get $flags) (i32.const 100000)))
  ;; Three million characters, each six when it is written as JSON.
  (func (export "escapes") (result i32) (call $pair (call $alloc (i32.const 1) (i32.const 3000000)) (i32.const 3000000)))
  (func (export "beyond-memory") (result i32) (call $pair (i32.const 8) (i32.const 0x1fffffff)))
  (func (export "no-such-case") (result i32)
    (i32.store8 (i32.const 0x10) (i32.const 7))
    (i32.const 0x10))
  (func (export "no-such-char") (result i32) (i32.const 0xd800))
  (func (export "no-utf8") (result i32)
    (i32.store8 (i32.const 0x30) (i32.const 0xff))
    (call $pair (i32.const 0x30) (i32.const 1)))
  (func (export "loops") (loop $again (br $again)))
  (func (export "traps-after") (result i32) (call $pair (i32.const 0x200) (i32.const 4)))
  (func (export "cabi_post_traps-after") (param i32) unreachable)
  (func (export "ok") (param i32 i32) (result i32) (local.get 1))
)
