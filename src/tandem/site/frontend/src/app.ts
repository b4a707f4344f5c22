// What every page runs. Each module finds its own marks (`data-…`) in the page and in what htmx puts into it later.
import htmx from "htmx.org";
import "htmx-ext-sse";
import { keepTimesCounting } from "./ago";
import { listenForCopies } from "./copy";
import { fadeWhatChanged } from "./fade";
import { openOneTimeLink } from "./link";
import { tellWhatFailed } from "./failures";
import { closeMessages } from "./messages";
import { runSidebar } from "./sidebar";

// Extensions, and modules of single pages, find it here.
(window as unknown as { htmx: typeof htmx }).htmx = htmx;

keepTimesCounting();
listenForCopies();
fadeWhatChanged();
tellWhatFailed();
closeMessages();
runSidebar();
openOneTimeLink();
