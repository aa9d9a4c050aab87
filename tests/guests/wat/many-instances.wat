;; Attacks the number of core instances with 100 beside a plugin: more than the host allows, not more than the parser does. Case G08.
;; beside: echo-bare x 100
(module)
