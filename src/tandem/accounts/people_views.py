"""Pages for looking after people: who there is, adding somebody, and one person. For administrators."""

from collections.abc import Callable
from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tandem.accounts import actions
from tandem.accounts.guards import administrators_only
from tandem.accounts.models import Person
from tandem.accounts.people_forms import AddPersonForm, GroupForm
from tandem.accounts.queries import all_groups, in_group, matching, standing
from tandem.lists import Filter, Toolbar, page_of

STANDINGS = (
    ("enabled", "enabled"),
    ("disabled", "disabled"),
    ("administrator", "administrators"),
    ("new", "not in yet"),
)


@require_GET
@administrators_only
def people(request: HttpRequest) -> HttpResponse:
    """Everybody by name. What the list is narrowed to is in the address."""
    search, state, group = (request.GET.get(name, "").strip()[:100] for name in ("search", "state", "group"))
    toolbar = Toolbar(
        [
            Filter("state", "Who is", value=state, choices=STANDINGS, is_first=True),
            Filter("group", "Group", value=group, choices=[(name, name) for name in all_groups()], is_first=True),
        ],
        search,
        "Name, full name or e-mail address",
    )
    found = in_group(standing(matching(search), state), group).order_by("username")
    page = page_of(found, request.GET.get("cursor", ""))
    return render(request, "accounts/people.html", {"page": page, "toolbar": toolbar})


@require_http_methods(["GET", "HEAD", "POST"])
@administrators_only
def add(request: HttpRequest) -> HttpResponse:
    """Somebody new, without a password yet: their page offers to invite them."""
    form = AddPersonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            person = actions.add_person(
                given["username"],
                uid=given["uid"],
                full_name=given["full_name"],
                email=given["email"],
                groups=given["groups"],
                administrator=given["is_administrator"],
                by=cast(Person, request.user),
            )
        except actions.PersonInvalid as invalid:
            form.tell(invalid)
        else:
            messages.success(request, f"{person} is added, with the uid {person.uid}. Invite them now.")
            return redirect("person", person.username)
    return render(request, "accounts/add_person.html", {"form": form})


def _page(
    request: HttpRequest,
    person: Person,
    *,
    group_form: GroupForm | None = None,
    new_link: actions.NewLink | None = None,
) -> HttpResponse:
    context = {
        "person": person,
        "is_me": person.pk == request.user.pk,
        "new_link": new_link,
        "group_form": group_form or GroupForm(),
        "all_groups": [group for group in all_groups() if group not in person.groups],
        "open_link": person.one_time_links.filter(used_at=None, expires_at__gt=timezone.now()).first(),
        "sign_ins": person.sign_ins.filter(expire_date__gt=timezone.now()).count(),
        "tokens": person.tokens.usable().count(),
    }
    return render(request, "accounts/person.html", context)


def _somebody(username: str) -> Person:
    return get_object_or_404(Person, username=username)


@require_GET
@administrators_only
def person(request: HttpRequest, username: str) -> HttpResponse:
    """One person, and what can be done about them."""
    return _page(request, _somebody(username))


def _act(verb: Callable[[Person, Person], object], done: str) -> Callable[..., HttpResponse]:
    """A view that does `verb` to somebody and goes back to their page, which says what became of it."""

    @require_POST
    @administrators_only
    def view(request: HttpRequest, username: str) -> HttpResponse:
        person = _somebody(username)
        try:
            verb(person, cast(Person, request.user))
        except actions.AccountChangeRefused as refused:
            messages.warning(request, f"Nothing was changed: {refused}")
        else:
            messages.success(request, done.format(person))
        return redirect("person", username)

    return view


disable = _act(lambda who, by: actions.disable(who, by=by), "{} is disabled. Jobs go on, and files stay.")
enable = _act(lambda who, by: actions.enable(who, by=by), "{} is enabled.")
promote = _act(lambda who, by: actions.promote(who, by=by), "{} is an administrator now.")
demote = _act(lambda who, by: actions.demote(who, by=by), "{} is an administrator no more.")


def _link(make: Callable[..., actions.NewLink]) -> Callable[..., HttpResponse]:
    """A view that makes a one-time link and shows it on the page that answers, and never again."""

    @require_POST
    @administrators_only
    def view(request: HttpRequest, username: str) -> HttpResponse:
        person = _somebody(username)
        try:
            new_link = make(person, by=cast(Person, request.user))
        except actions.AccountChangeRefused as refused:
            messages.warning(request, f"No link was made: {refused}")
            return redirect("person", username)
        return _page(request, person, new_link=new_link)

    return view


invite = _link(actions.invite)
reset = _link(actions.reset)


@require_POST
@administrators_only
def groups(request: HttpRequest, username: str) -> HttpResponse:
    """Put somebody into groups that were typed, or take them out of one whose button was pressed."""
    person, by = _somebody(username), cast(Person, request.user)
    if remove := request.POST.getlist("remove"):
        actions.change_groups(person, remove=remove, by=by)
        messages.success(request, f"{person} is out of {', '.join(remove)}.")
        return redirect("person", username)
    form = GroupForm(request.POST)
    if form.is_valid():
        try:
            actions.change_groups(person, add=form.cleaned_data["add"], by=by)
        except actions.PersonInvalid as invalid:
            form.tell(invalid)
        else:
            messages.success(request, f"{person} is in {', '.join(form.cleaned_data['add'])}.")
            return redirect("person", username)
    return _page(request, person, group_form=form)
