// Package deploy tests the deployment examples of deploy/ with the programs that
// would read them: systemd-analyze, HAProxy, nginx, Helm, and the types of
// Kubernetes and Compose. There is no container engine in these tests: nothing is
// built or started in containers.
package deploy
