import { requireTool } from "../support/required";
import { vsftpdPath } from "../support/vsftpd";
import { describeFaults } from "./describe-faults";
import { ftpLosses, ftpPatience } from "./rows/ftp";
import { vsftpd } from "./stages/ftp";

if (requireTool("vsftpd", vsftpdPath)) {
  describeFaults(vsftpd(), [...ftpLosses({ silenceMs: 3_000 }), ...ftpPatience()]);
}
