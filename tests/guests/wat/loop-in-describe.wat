;; Attacks the load with a description that never ends. Case G02.
;; world: query-plugin
(module
  ;; include: base
  ;; include: handle
  (func (export "cofferdam:mcp/catalog@0.1.0#describe") (result i32)
    (loop $again (br $again))
    unreachable)
)
