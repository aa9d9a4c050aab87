;; Attacks the linker: imports `host` of a contract that is newer than the host's own. Case M14.
;; wit: world fixture {
;; wit:   import cofferdam:mcp/host@0.2.0;
;; wit:   export cofferdam:mcp/catalog@0.1.0;
;; wit:   export cofferdam:mcp/query@0.1.0;
;; wit: }
;; wit: package cofferdam:mcp@0.2.0 { interface host { now-ms: func() -> f64; } }
(module
  (import "cofferdam:mcp/host@0.2.0" "now-ms" (func (result f64)))
  ;; include: base
  ;; include: describe
  ;; include: handle
)
