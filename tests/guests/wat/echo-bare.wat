;; Attacks nothing: the leanest good plugin there is, without any WASI import. Base of the benchmarks and of the `beside` fixtures.
;; world: query-plugin
;;
;; One query, `echo`: one text block with the value of `text`. Everything that a reply needs stands ready in the data below, in the
;; layout of the canonical ABI; `handle` only fills in where the text lies, which is inside the parameters that the host has just
;; written. So a call touches one page of the image, and copies nothing. JSON escapes are resolved in place: text only gets shorter.
(module
  (memory (export "memory") 2)

  ;; 0x010 catalog
  (data (i32.const 0x028) "\60\00\00\00" "\01\00\00\00")        ;; queries: 1, at 0x60
  ;; 0x060 operation
  (data (i32.const 0x060) "\90\01\00\00" "\04\00\00\00")        ;; name
  (data (i32.const 0x074) "\01\00\00\00" "\94\01\00\00" "\26\00\00\00") ;; some description
  (data (i32.const 0x080) "\c0\01\00\00" "\4d\00\00\00")        ;; input schema
  ;; 0x0d0 result: ok, complete
  (data (i32.const 0x0d8) "\00\01\00\00" "\01\00\00\00")        ;; content: 1, at 0x100
  ;; 0x100 content block: text; its pointer at 0x108, its length at 0x10c
  ;; 0x190 strings
  (data (i32.const 0x190) "echo")
  (data (i32.const 0x194) "Answers with the text that it is given")
  (data (i32.const 0x1c0) "{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\"}},\"required\":[\"text\"]}")

  ;; Everything from here to the end of the memory is the arguments of one call.
  (global $heap (mut i32) (i32.const 0x220))

  ;; Hands out the next bytes. Nothing is ever given back or made larger: the host does neither with UTF-8.
  (func (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
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

  (func (export "cofferdam:mcp/catalog@0.1.0#describe") (result i32)
    (i32.const 0x10))

  ;; The arguments lie at $args; parameters are a pointer at 72 and a length at 76. They are a valid JSON object with a string `text`:
  ;; the host has checked that. Without one, or with a key that is spelled with escapes, this runs off the end, and traps.
  (func (export "cofferdam:mcp/query@0.1.0#handle") (param $args i32) (result i32)
    (local $at i32) (local $end i32) (local $from i32) (local $is_text i32)
    (local.set $at (i32.load offset=72 (local.get $args)))
    (local.set $end (i32.add (local.get $at) (i32.load offset=76 (local.get $args))))
    (local.set $at (i32.add (call $skip_space (local.get $at)) (i32.const 1)))                ;; after `{`
    (loop $member
      (local.set $from (i32.add (call $skip_space (local.get $at)) (i32.const 1)))            ;; after the `"` of the key
      (local.set $at (call $string_end (local.get $from) (local.get $end)))
      (local.set $is_text (i32.and
        (i32.eq (i32.sub (local.get $at) (local.get $from)) (i32.const 4))
        (i32.eq (i32.load align=1 (local.get $from)) (i32.const 0x74786574))))                ;; "text"
      (local.set $at (call $skip_space (i32.add (local.get $at) (i32.const 1))))              ;; at `:`
      (local.set $at (call $skip_space (i32.add (local.get $at) (i32.const 1))))              ;; at the value
      (if (i32.eqz (local.get $is_text))
        (then
          (local.set $at (i32.add (call $value_end (local.get $at) (local.get $end)) (i32.const 1)))
          (br $member))))
    (local.set $from (i32.add (local.get $at) (i32.const 1)))
    (local.set $at (call $quote_or_backslash (local.get $from) (local.get $end)))
    (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 0x5c))
      (then (local.set $at (call $unescape (local.get $at) (local.get $end)))))
    (i32.store (i32.const 0x108) (local.get $from))
    (i32.store (i32.const 0x10c) (i32.sub (local.get $at) (local.get $from)))
    (global.set $heap (i32.const 0x220))                       ;; for hosts that reuse an instance: the reply is read before the next call
    (i32.const 0xd0))

  ;; The first byte from $at on that is no white space.
  (func $skip_space (param $at i32) (result i32)
    (loop $next
      (if (i32.le_u (i32.load8_u (local.get $at)) (i32.const 0x20))
        (then
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $next))))
    (local.get $at))

  ;; The first `"` or `\` from $at on: eight bytes at a time, then one by one.
  (func $quote_or_backslash (param $at i32) (param $end i32) (result i32)
    (local $word i64) (local $q i64) (local $b i64)
    (block $tail
      (loop $next
        (br_if $tail (i32.gt_u (i32.add (local.get $at) (i32.const 8)) (local.get $end)))
        (local.set $word (i64.load align=1 (local.get $at)))
        ;; A byte of ((x - 01..) & ~x & 80..) is set where x has a zero byte; bits above the lowest one may be wrong.
        (local.set $q (i64.xor (local.get $word) (i64.const 0x2222222222222222)))
        (local.set $b (i64.xor (local.get $word) (i64.const 0x5c5c5c5c5c5c5c5c)))
        (local.set $word (i64.and (i64.const 0x8080808080808080) (i64.or
          (i64.and (i64.sub (local.get $q) (i64.const 0x0101010101010101)) (i64.xor (local.get $q) (i64.const -1)))
          (i64.and (i64.sub (local.get $b) (i64.const 0x0101010101010101)) (i64.xor (local.get $b) (i64.const -1))))))
        (if (i64.ne (local.get $word) (i64.const 0))
          (then (return (i32.add (local.get $at) (i32.shr_u (i32.wrap_i64 (i64.ctz (local.get $word))) (i32.const 3))))))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br $next)))
    (loop $next
      (if (i32.ge_u (local.get $at) (local.get $end)) (then unreachable))
      (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 0x22)) (then (return (local.get $at))))
      (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 0x5c)) (then (return (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $next))
    unreachable)

  ;; The closing `"` of the string whose first character is at $at.
  (func $string_end (param $at i32) (param $end i32) (result i32)
    (loop $next
      (local.set $at (call $quote_or_backslash (local.get $at) (local.get $end)))
      (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 0x5c))
        (then
          (local.set $at (i32.add (local.get $at) (i32.const 2)))
          (br $next))))
    (local.get $at))

  ;; The `,` or `}` behind the value at $at.
  (func $value_end (param $at i32) (param $end i32) (result i32)
    (local $byte i32) (local $depth i32)
    (loop $next
      (local.set $byte (i32.load8_u (local.get $at)))
      (if (i32.eqz (local.get $depth))
        (then
          (if (i32.eq (local.get $byte) (i32.const 0x2c)) (then (return (local.get $at))))
          (if (i32.eq (local.get $byte) (i32.const 0x7d)) (then (return (local.get $at))))))
      (if (i32.eq (local.get $byte) (i32.const 0x22))
        (then (local.set $at (call $string_end (i32.add (local.get $at) (i32.const 1)) (local.get $end)))))
      ;; `[` `{` and `]` `}` differ from each other in one bit.
      (if (i32.eq (i32.or (local.get $byte) (i32.const 0x20)) (i32.const 0x7b))
        (then (local.set $depth (i32.add (local.get $depth) (i32.const 1)))))
      (if (i32.eq (i32.or (local.get $byte) (i32.const 0x20)) (i32.const 0x7d))
        (then (local.set $depth (i32.sub (local.get $depth) (i32.const 1)))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $next))
    unreachable)

  ;; Resolves the escapes of a string in place, from its first `\` at $at to its closing `"`. Gives the new end.
  (func $unescape (param $at i32) (param $end i32) (result i32)
    (local $out i32) (local $stop i32) (local $code i32) (local $low i32)
    (local.set $out (local.get $at))
    (loop $escape
      (local.set $code (i32.load8_u offset=1 (local.get $at)))
      (if (i32.eq (local.get $code) (i32.const 0x75))                                         ;; \uXXXX
        (then
          (local.set $code (call $hex4 (i32.add (local.get $at) (i32.const 2))))
          (local.set $at (i32.add (local.get $at) (i32.const 6)))
          (if (i32.eq (i32.and (local.get $code) (i32.const 0xf800)) (i32.const 0xd800))      ;; a surrogate
            (then
              (local.set $low (i32.const 0))
              (if (i32.eq (i32.load16_u align=1 (local.get $at)) (i32.const 0x755c))          ;; and another \u
                (then (local.set $low (call $hex4 (i32.add (local.get $at) (i32.const 2))))))
              (if (i32.and
                    (i32.lt_u (local.get $code) (i32.const 0xdc00))
                    (i32.eq (i32.and (local.get $low) (i32.const 0xfc00)) (i32.const 0xdc00)))
                (then
                  (local.set $at (i32.add (local.get $at) (i32.const 6)))
                  (local.set $code (i32.add (i32.const 0x10000) (i32.or
                    (i32.shl (i32.and (local.get $code) (i32.const 0x3ff)) (i32.const 10))
                    (i32.and (local.get $low) (i32.const 0x3ff))))))
                (else (local.set $code (i32.const 0xfffd)))))))                               ;; a lone one stands for nothing
        (else
          (local.set $at (i32.add (local.get $at) (i32.const 2)))
          (if (i32.eq (local.get $code) (i32.const 0x6e)) (then (local.set $code (i32.const 0x0a))))
          (if (i32.eq (local.get $code) (i32.const 0x74)) (then (local.set $code (i32.const 0x09))))
          (if (i32.eq (local.get $code) (i32.const 0x72)) (then (local.set $code (i32.const 0x0d))))
          (if (i32.eq (local.get $code) (i32.const 0x62)) (then (local.set $code (i32.const 0x08))))
          (if (i32.eq (local.get $code) (i32.const 0x66)) (then (local.set $code (i32.const 0x0c))))))
      (local.set $out (call $put (local.get $out) (local.get $code)))
      (local.set $stop (call $quote_or_backslash (local.get $at) (local.get $end)))
      (memory.copy (local.get $out) (local.get $at) (i32.sub (local.get $stop) (local.get $at)))
      (local.set $out (i32.add (local.get $out) (i32.sub (local.get $stop) (local.get $at))))
      (local.set $at (local.get $stop))
      (br_if $escape (i32.eq (i32.load8_u (local.get $at)) (i32.const 0x5c))))
    (local.get $out))

  ;; The value of four hexadecimal digits.
  (func $hex4 (param $at i32) (result i32)
    (local $digit i32) (local $value i32) (local $end i32)
    (local.set $end (i32.add (local.get $at) (i32.const 4)))
    (loop $next
      (local.set $digit (i32.load8_u (local.get $at)))
      ;; Letters have bit 6, and `A` & 15 is 1.
      (local.set $value (i32.or (i32.shl (local.get $value) (i32.const 4)) (i32.add
        (i32.and (local.get $digit) (i32.const 15))
        (i32.mul (i32.shr_u (local.get $digit) (i32.const 6)) (i32.const 9)))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
    (local.get $value))

  ;; Writes a character as UTF-8 and gives the address behind it.
  (func $put (param $out i32) (param $code i32) (result i32)
    (if (i32.lt_u (local.get $code) (i32.const 0x80))
      (then
        (i32.store8 (local.get $out) (local.get $code))
        (return (i32.add (local.get $out) (i32.const 1)))))
    (if (i32.lt_u (local.get $code) (i32.const 0x800))
      (then (i32.store8 (local.get $out) (i32.or (i32.const 0xc0) (i32.shr_u (local.get $code) (i32.const 6)))))
      (else
        (if (i32.lt_u (local.get $code) (i32.const 0x10000))
          (then (i32.store8 (local.get $out) (i32.or (i32.const 0xe0) (i32.shr_u (local.get $code) (i32.const 12)))))
          (else
            (i32.store8 (local.get $out) (i32.or (i32.const 0xf0) (i32.shr_u (local.get $code) (i32.const 18))))
            (local.set $out (i32.add (local.get $out) (i32.const 1)))
            (i32.store8 (local.get $out) (call $tail (local.get $code) (i32.const 12)))))
        (local.set $out (i32.add (local.get $out) (i32.const 1)))
        (i32.store8 (local.get $out) (call $tail (local.get $code) (i32.const 6)))))
    (i32.store8 offset=1 (local.get $out) (call $tail (local.get $code) (i32.const 0)))
    (i32.add (local.get $out) (i32.const 2)))

  ;; Six bits of a character as a byte that continues it.
  (func $tail (param $code i32) (param $shift i32) (result i32)
    (i32.or (i32.const 0x80) (i32.and (i32.const 0x3f) (i32.shr_u (local.get $code) (local.get $shift)))))
)
