import { requireTool } from "../support/required";
import { vsftpdPath } from "../support/vsftpd";
import { describeFaults } from "./describe-faults";
import { ftpsLosses } from "./rows/ftps";
import { vsftpd } from "./stages/ftp";

if (requireTool("vsftpd", vsftpdPath)) describeFaults(vsftpd("explicit"), ftpsLosses({ silenceMs: 5_000 }));
