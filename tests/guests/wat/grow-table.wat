;; Attacks the cap of table elements: grows a table by 1,000 until that is refused, or up to 10,000,000. Answers how many elements it
;; got, as a decimal number. Case G09.
;; world: query-plugin
(module
  ;; include: base
  ;; include: describe
  (table $table 0 funcref)

  (func (export "cofferdam:mcp/query@0.1.0#handle") (param $args i32) (result i32)
    (local $rest i32) (local $at i32)
    (block $done
      (loop $again
        (br_if $done (i32.eq (i32.const -1) (table.grow $table (ref.null func) (i32.const 1000))))
        (br_if $again (i32.lt_u (table.size $table) (i32.const 10000000)))))
    ;; The digits, from the last to the first, in front of 0x820.
    (local.set $rest (table.size $table))
    (local.set $at (i32.const 0x820))
    (loop $digit
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at) (i32.add (i32.const 0x30) (i32.rem_u (local.get $rest) (i32.const 10))))
      (local.set $rest (i32.div_u (local.get $rest) (i32.const 10)))
      (br_if $digit (local.get $rest)))
    (call $reply_text (local.get $at) (i32.sub (i32.const 0x820) (local.get $at))))
)
