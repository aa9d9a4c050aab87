;; What most fixtures are made of: a memory, an allocator, and functions that build a catalog and a reply in the layout of the
;; canonical ABI. `src/wat.rs` has a test that compares the numbers here with what `wit/` says.
;;
;;   0x010 catalog: 72 bytes                   0x200 strings of this file
;;   0x060 two operations of 104 bytes         0x800 strings of the fixture
;;   0x140 result of a handler: 44 bytes       0x1000 heap
;;   0x170 one content block of 144 bytes
(memory $memory (export "memory") 1)
(data (i32.const 0x200) "echo")
(data (i32.const 0x208) "{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\"}}}")   ;; 57 bytes

(global $heap (mut i32) (i32.const 0x1000))

;; Hands out the next bytes, and gets more memory when there are none. Traps when there is no more memory.
(func $alloc (param $align i32) (param $size i32) (result i32)
  (local $at i32) (local $end i32)
  (local.set $at (i32.and
    (i32.sub (i32.add (global.get $heap) (local.get $align)) (i32.const 1))
    (i32.sub (i32.const 0) (local.get $align))))
  (local.set $end (i32.add (local.get $at) (local.get $size)))
  (if (i32.gt_u (local.get $end) (i32.shl (memory.size) (i32.const 16)))
    (then (if (i32.eq (i32.const -1) (memory.grow (i32.sub
        (i32.shr_u (i32.add (local.get $end) (i32.const 0xffff)) (i32.const 16))
        (memory.size))))
      (then unreachable))))
  (global.set $heap (local.get $end))
  (local.get $at))

(func (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
  (local $at i32)
  (local.set $at (call $alloc (local.get $align) (local.get $size)))
  (memory.copy (local.get $at) (local.get $old) (local.get $old_size))
  (local.get $at))

;; Writes operation 0 or 1: its name is `echo`, and nothing else is in it but the input schema.
(func $operation (param $index i32) (param $schema i32) (param $schema_len i32)
  (local $at i32)
  (local.set $at (i32.add (i32.const 0x60) (i32.mul (local.get $index) (i32.const 104))))
  (i32.store (local.get $at) (i32.const 0x200))
  (i32.store offset=4 (local.get $at) (i32.const 4))
  (i32.store offset=32 (local.get $at) (local.get $schema))
  (i32.store offset=36 (local.get $at) (local.get $schema_len)))

;; A catalog with the first $count operations as queries.
(func $catalog (param $count i32) (result i32)
  (i32.store offset=24 (i32.const 0x10) (i32.const 0x60))
  (i32.store offset=28 (i32.const 0x10) (local.get $count))
  (i32.const 0x10))

;; A catalog with one query, `echo`, that takes an optional `text`.
(func $good_catalog (result i32)
  (call $operation (i32.const 0) (i32.const 0x208) (i32.const 57))
  (call $catalog (i32.const 1)))

;; A catalog with one query, `echo`, whose input schema is the fixture's own text at 0x800.
(func $catalog_with_schema (param $schema_len i32) (result i32)
  (call $operation (i32.const 0) (i32.const 0x800) (local.get $schema_len))
  (call $catalog (i32.const 1)))

;; The result of a handler: done, with these content blocks.
(func $reply (param $blocks i32) (param $count i32) (result i32)
  (i32.store offset=8 (i32.const 0x140) (local.get $blocks))
  (i32.store offset=12 (i32.const 0x140) (local.get $count))
  (i32.const 0x140))

;; The result of a handler: done, with one text.
(func $reply_text (param $text i32) (param $len i32) (result i32)
  (i32.store offset=8 (i32.const 0x170) (local.get $text))
  (i32.store offset=12 (i32.const 0x170) (local.get $len))
  (call $reply (i32.const 0x170) (i32.const 1)))
