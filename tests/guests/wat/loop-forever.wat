;; Attacks the processor with a query that never ends and never calls the host. Case G01.
;; world: query-plugin
(module
  ;; include: base
  ;; include: describe
  (func (export "cofferdam:mcp/query@0.1.0#handle") (param $args i32) (result i32)
    (loop $again (br $again))
    unreachable)
)
