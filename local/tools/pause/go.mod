// The process that holds a pod's namespaces.
module sampler-rollouts.local/tools/pause

go 1.26.0
