;; Attacks the grants: imports `sql`, which its manifest does not ask for, and never calls it. Case G33.
;; wit: world fixture {
;; wit:   import cofferdam:mcp/sql@0.1.0;
;; wit:   export cofferdam:mcp/catalog@0.1.0;
;; wit:   export cofferdam:mcp/query@0.1.0;
;; wit: }
(module
  (import "cofferdam:mcp/sql@0.1.0" "databases" (func (param $result i32)))
  ;; include: base
  ;; include: describe
  ;; include: handle
)
