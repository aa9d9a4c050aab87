;; Attacks the load with a start function that never ends. Case G02.
;; world: query-plugin
(module
  ;; include: base
  ;; include: describe
  ;; include: handle
  (func $forever (loop $again (br $again)))
  (start $forever)
)
