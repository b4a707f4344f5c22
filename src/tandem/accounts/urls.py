"""Addresses of signing in and of a person's own account."""

from django.urls import path

from tandem.accounts import views

urlpatterns = [
    path("sign-in", views.sign_in, name="sign-in"),
    path("sign-out", views.sign_out, name="sign-out"),
    path("link", views.one_time_link, name="one-time-link"),
    path("link/use", views.use_one_time_link, name="use-one-time-link"),
    path("account/", views.account, name="account"),
    path("account/password", views.change_password, name="change-password"),
    path("account/tokens", views.create_token, name="create-token"),
    path("account/tokens/<int:pk>/revoke", views.revoke_token, name="revoke-token"),
    path("account/sign-ins/end", views.end_other_sign_ins, name="end-other-sign-ins"),
]
