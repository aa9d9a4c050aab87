;; Attacks the number of core instances: one plugin, and 1,000 instances of nothing beside it. The parser alone refuses that many. Case G08.
;; beside: echo-bare x 1000
(module)
