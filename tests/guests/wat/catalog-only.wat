;; Attacks the load: its catalog offers a query, and there is nothing that would answer it. Case M14.
;; wit: world fixture { export cofferdam:mcp/catalog@0.1.0; }
(module
  ;; include: base
  ;; include: describe
)
