;; Attacks the memory of the host: a type that is small to declare, and has 65,536 parts when it is written out as a schema.
;; wit: interface types {
;; wit:   type t0 = bool;
;; wit:   type t1 = tuple<t0, t0>;
;; wit:   type t2 = tuple<t1, t1>;
;; wit:   type t3 = tuple<t2, t2>;
;; wit:   type t4 = tuple<t3, t3>;
;; wit:   type t5 = tuple<t4, t4>;
;; wit:   type t6 = tuple<t5, t5>;
;; wit:   type t7 = tuple<t6, t6>;
;; wit:   type t8 = tuple<t7, t7>;
;; wit:   type t9 = tuple<t8, t8>;
;; wit:   type t10 = tuple<t9, t9>;
;; wit:   type t11 = tuple<t10, t10>;
;; wit:   type t12 = tuple<t11, t11>;
;; wit:   type t13 = tuple<t12, t12>;
;; wit:   type t14 = tuple<t13, t13>;
;; wit:   type t15 = tuple<t14, t14>;
;; wit:   type t16 = tuple<t15, t15>;
;; wit: }
;; wit: world fixture { use types.{t16}; export take: func(value: list<t16>); export ok: func(); }
(module
  ;; include: base
  (func (export "take") (param i32 i32))
  (func (export "ok"))
)
