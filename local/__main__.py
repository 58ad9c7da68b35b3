"""`python -m local` is `python -m local.cluster`."""

from local.cluster import main

raise SystemExit(main())
