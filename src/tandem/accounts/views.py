"""Signing in and out, one-time links, and a person's own account."""

from typing import cast

from django.contrib import messages
from django.contrib.auth import login, logout, update_session_auth_hash
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render, resolve_url
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tandem.accounts import actions
from tandem.accounts.forms import ChangePasswordForm, NewPasswordForm, SignInForm, TokenForm
from tandem.accounts.models import Person, SignIn, Token
from tandem.accounts.sign_in import SignInRefused, check_sign_in

BACKEND = "django.contrib.auth.backends.ModelBackend"


def _next(request: HttpRequest) -> str:
    """Where to go after signing in: an address of the portal only."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    if url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure()):
        return wanted
    return resolve_url("home")


@sensitive_post_parameters()
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Name and password. A sign-in that stood in this browser is replaced."""
    form = SignInForm(request.POST or None)
    status, retry_after = 200, None
    if request.method == "POST" and form.is_valid():
        try:
            person = check_sign_in(request, form.cleaned_data["username"], form.cleaned_data["password"])
        except SignInRefused as refused:
            form.add_error(None, refused.message)
            status, retry_after = (429, refused.retry_after) if refused.retry_after else (200, None)
        else:
            # Also for the same person: who had this browser's key before is left with nothing.
            request.session.flush()
            login(request, person, backend=BACKEND)
            return redirect(_next(request))
    elif request.user.is_authenticated:
        return redirect(_next(request))
    response = render(request, "accounts/sign_in.html", {"form": form, "next": _next(request)}, status=status)
    if retry_after:
        response["Retry-After"] = str(retry_after)
    return response


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End this sign-in, on every portal node at once."""
    logout(request)
    return redirect("sign-in")


@login_not_required
@require_GET
def one_time_link(request: HttpRequest) -> HttpResponse:
    """Where a one-time link leads. Its secret stands behind `#`, so only the page's script sees it and sends it on."""
    return _no_referrer(render(request, "accounts/link.html"))


@sensitive_post_parameters()
@login_not_required
@require_POST
def use_one_time_link(request: HttpRequest) -> HttpResponse:
    """A fragment: the form for a new password if the link is good, and with a password in it, the change itself."""
    secret = request.POST.get("secret", "")
    try:
        link = actions.find_link(secret)
        # The first time the script sends the secret alone, to see whose link it is.
        sent = "new_password" in request.POST
        form = NewPasswordForm(request.POST if sent else None, person=link.person)
        if not sent or not form.is_valid():
            context = {"form": form, "link": link, "secret": secret}
            return _no_referrer(render(request, "accounts/link_form.html", context))
        person = actions.use_link(secret, form.cleaned_data["new_password"])
    except actions.LinkNotGood:
        return _no_referrer(render(request, "accounts/link_not_good.html"))
    request.session.flush()
    login(request, person, backend=BACKEND)
    messages.success(request, "Your password is set, and you are signed in.")
    return HttpResponse(status=204, headers={"HX-Redirect": resolve_url("home")})


def _no_referrer(response: HttpResponse) -> HttpResponse:
    response["Referrer-Policy"] = "no-referrer"
    return response


def _account_page(
    request: HttpRequest,
    *,
    password_form: ChangePasswordForm | None = None,
    token_form: TokenForm | None = None,
    new_secret: str = "",
) -> HttpResponse:
    person = cast(Person, request.user)
    context = {
        "password_form": password_form or ChangePasswordForm(request, person=person),
        "token_form": token_form or TokenForm(),
        "new_secret": new_secret,
        "tokens": Token.objects.usable().filter(person=person).order_by("-created_at"),
        "sign_ins": person.sign_ins.filter(expire_date__gt=timezone.now()).order_by("-since"),
        "this_sign_in": request.session.session_key,
    }
    return render(request, "accounts/account.html", context)


@require_GET
def account(request: HttpRequest) -> HttpResponse:
    """My account: password, API tokens, active sign-ins."""
    return _account_page(request)


@sensitive_post_parameters()
@require_POST
def change_password(request: HttpRequest) -> HttpResponse:
    """Change one's own password; one's sign-ins in other browsers end."""
    person = Person.objects.get(pk=cast(Person, request.user).pk)
    form = ChangePasswordForm(request, person=person, is_typed=True)
    if not form.is_valid():
        return _account_page(request, password_form=form)
    actions.set_password(person, form.cleaned_data["new_password"], keep_sign_in=request.session.session_key)
    # This browser stays signed in, under a new key.
    update_session_auth_hash(request, person)
    messages.success(request, "Your password is changed. Sign-ins in other browsers have ended.")
    return redirect("account")


@require_POST
def create_token(request: HttpRequest) -> HttpResponse:
    """Make an API token and show its secret on the page that answers, and never again."""
    form = TokenForm(request.POST)
    if not form.is_valid():
        return _account_page(request, token_form=form)
    try:
        _, secret = actions.create_token(
            cast(Person, request.user), form.cleaned_data["name"], form.cleaned_data["days"]
        )
    except actions.AccountChangeRefused as refused:
        form.add_error(None, str(refused))
        return _account_page(request, token_form=form)
    return _account_page(request, new_secret=secret)


@require_POST
def revoke_token(request: HttpRequest, pk: int) -> HttpResponse:
    """Make one of one's own tokens good for nothing."""
    token = get_object_or_404(Token, pk=pk, person=cast(Person, request.user))
    actions.revoke_token(token)
    messages.success(request, f"The token “{token.name}” is revoked.")
    return redirect("account")


@require_POST
def end_other_sign_ins(request: HttpRequest) -> HttpResponse:
    """End one's sign-ins in all other browsers."""
    ended = actions.end_sign_ins(cast(Person, request.user), keep=request.session.session_key)
    messages.success(request, f"{ended} other sign-in{'' if ended == 1 else 's'} ended.")
    return redirect("account")


@require_POST
def end_sign_in(request: HttpRequest, handle: str) -> HttpResponse:
    """End one's sign-in in one browser; in this one, that is signing out."""
    if SignIn(session_key=request.session.session_key or "").handle == handle:
        return sign_out(request)
    if actions.end_sign_in(cast(Person, request.user), handle):
        messages.success(request, "That sign-in is ended.")
    else:
        messages.info(request, "That sign-in had ended already.")
    return redirect("account")
