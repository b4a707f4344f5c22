// What every page runs. Each module finds its own marks (`data-…`) in the page and in what htmx puts into it later.
import htmx from "htmx.org";
import "htmx-ext-sse";
import { keepTimesCounting } from "./ago";
import { listenForCopies } from "./copy";
import { runDialogs } from "./dialogs";
import { fadeWhatChanged } from "./fade";
import { openOneTimeLink } from "./link";
import { tellWhatFailed } from "./failures";
import { runFiles } from "./files";
import { closeMessages } from "./messages";
import { showOutput } from "./output";
import { keepRowsLive } from "./live_rows";
import { readAgainAfterCuts } from "./reconnect";
import { runSearch } from "./search";
import { runSidebar } from "./sidebar";
import { runSubmission } from "./submission";
import { runToolbars } from "./toolbar";

// Extensions, and modules of single pages, find it here.
(window as unknown as { htmx: typeof htmx }).htmx = htmx;

readAgainAfterCuts();
keepTimesCounting();
listenForCopies();
fadeWhatChanged();
tellWhatFailed();
closeMessages();
runSidebar();
runSearch();
openOneTimeLink();
runDialogs();
runSubmission();
showOutput();
runToolbars();
keepRowsLive();
runFiles();
