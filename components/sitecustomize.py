"""Makes a job of the SageMaker SDK fail closed; part of every image, loaded whenever its Python starts.

`invoke_function.main()` ends with `finally: sys.exit(exit_code)`. When it can't report an exception to S3, `exit_code`
is still 0 while that second exception is on its way, and a failed job would end as a success. Exactly that exit ends
with 1 here.
"""

import sys

if "sagemaker.core.remote_function.invoke_function" in getattr(sys, "orig_argv", []):
    _exit = sys.exit

    def _exit_closed(code: object = 0) -> None:
        if not code and sys.exc_info()[0] is not None:
            code = 1
        _exit(code)  # type: ignore[arg-type]

    sys.exit = _exit_closed  # type: ignore[assignment]
