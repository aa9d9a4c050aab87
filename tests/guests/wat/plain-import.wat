;; Attacks the grants: a plain function, and beside it an import of which nobody has heard.
;; wit: world fixture { import other:thing/tools; export run: func(); }
;; wit: package other:thing { interface tools { tool: func(); } }
(module
  (import "other:thing/tools" "tool" (func))
  ;; include: base
  (func (export "run"))
)
