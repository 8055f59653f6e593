import { requireTool } from "../support/required";
import { sshdPath } from "../support/sshd";
import { describeFaults } from "./describe-faults";
import { sftpLosses } from "./rows/sftp";
import { openssh } from "./stages/sftp";

if (requireTool("openssh-server", sshdPath)) describeFaults(openssh(), sftpLosses({ silenceMs: 3_000 }));
