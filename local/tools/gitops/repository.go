package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// repository is a clone of our own of a branch, and the folder of a kustomization in it.
type repository struct {
	clone, branch, path string
}

func openRepository(address, branch, path string) (*repository, error) {
	clone, err := os.MkdirTemp("", "gitops-")
	if err != nil {
		return nil, err
	}
	r := &repository{clone: clone, branch: branch, path: path}
	if _, err := r.git(context.Background(), "init", "--quiet"); err != nil {
		r.close()
		return nil, err
	}
	if _, err := r.git(context.Background(), "remote", "add", "origin", address); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *repository) close() {
	_ = os.RemoveAll(r.clone)
}

// read brings the clone to the branch's head and returns its revision and the objects that kustomize makes of it.
func (r *repository) read(ctx context.Context) (string, []*unstructured.Unstructured, error) {
	if _, err := r.git(ctx, "fetch", "--quiet", "--depth=1", "origin", r.branch); err != nil {
		return "", nil, err
	}
	if _, err := r.git(ctx, "checkout", "--quiet", "--force", "--detach", "FETCH_HEAD"); err != nil {
		return "", nil, err
	}
	revision, err := r.git(ctx, "rev-parse", "HEAD")
	if err != nil {
		return "", nil, err
	}
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(r.clone, r.path))
	if err != nil {
		return revision, nil, fmt.Errorf("kustomize: %w", err)
	}
	var objects []*unstructured.Unstructured
	for _, one := range made.Resources() {
		body, err := one.Map()
		if err != nil {
			return revision, nil, fmt.Errorf("kustomize: %w", err)
		}
		objects = append(objects, &unstructured.Unstructured{Object: body})
	}
	return revision, objects, nil
}

func (r *repository) git(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, "git", append([]string{"-C", r.clone}, args...)...)
	// A Git that calls us (a hook) says by its environment which repository is meant: its own.
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.clone, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0"}
	said, err := command.CombinedOutput()
	text := strings.TrimSpace(string(said))
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, text)
	}
	return text, nil
}
