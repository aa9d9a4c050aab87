;; Attacks the load: answers queries, and does not say which. Case M14.
;; wit: world fixture { export cofferdam:mcp/query@0.1.0; }
(module
  ;; include: base
  ;; include: handle
)
