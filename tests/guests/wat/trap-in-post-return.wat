;; Attacks the end of a call: the reply is good, and the function that the host calls to have it freed traps. Case G36.
;; world: query-plugin
(module
  ;; include: base
  ;; include: describe
  ;; include: handle
  (func (export "cabi_post_cofferdam:mcp/query@0.1.0#handle") (param $result i32)
    unreachable)
)
