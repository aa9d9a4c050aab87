;; Attacks the linker: imports an interface that nobody has ever heard of. Cases G33, M14.
;; wit: world fixture {
;; wit:   import acme:thing/api@1.0.0;
;; wit:   export cofferdam:mcp/catalog@0.1.0;
;; wit:   export cofferdam:mcp/query@0.1.0;
;; wit: }
;; wit: package acme:thing@1.0.0 { interface api { run: func(); } }
(module
  (import "acme:thing/api@1.0.0" "run" (func))
  ;; include: base
  ;; include: describe
  ;; include: handle
)
