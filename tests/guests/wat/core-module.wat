;; Attacks the load: a core module that exports what a plugin exports, and was never made a component. Case M19.
(module
  ;; include: base
  ;; include: describe
  ;; include: handle
)
