;; Attacks the loader: two of its functions would be the same tool.
;; wit: world fixture { export one:names/same; export two:names/same; }
;; wit: package one:names { interface same { run: func(); } }
;; wit: package two:names { interface same { run: func(); } }
(module
  ;; include: base
  (func (export "one:names/same#run"))
  (func (export "two:names/same#run"))
)
