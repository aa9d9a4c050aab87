;; Attacks the number of memories: eight more beside a plugin's own, in as many instances. Case G08.
;; beside: echo-bare x 8
(module (memory 1))
